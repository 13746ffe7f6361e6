"""Networks that run in the reader's page: PyTorch modules written as plain graphs.

Page     chapters/reading/live_models.md
Tests    tests/tracing

Only makers of stored files import this package. What shows a live model on a page is
`genai_lib.live`, which needs no torch.
"""

from genai_lib.tracing.export import LiveExport, export_live

__all__ = ["LiveExport", "export_live"]
