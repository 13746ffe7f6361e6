// Runs a network that PyTorch has traced: all that a browser needs to run a GPT.
//
// A graph is plain data: inputs, outputs, and nodes in the order in which they run. A
// node has one of the operations below, what it reads (names of values, or numbers) and
// the shape of what it makes. A value is {data, shape}, all numbers in one flat array.
(function (root) {
  "use strict";
  const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: Float64Array,
    bool: Uint8Array };

  function fail(sentence) { throw new Error(sentence); }
  function size(shape) { return shape.reduce((a, b) => a * b, 1); }
  function total(row) { return row.reduce((a, b) => a + b, 0); }
  function last(list) { return list.length ? list[list.length - 1] : 1; }
  function empty(node) { return new ARRAYS[node.dtype](size(node.shape)); }

  // Calls visit(at, places) for each row of a shape: where it lies in an array of this
  // shape, and where it begins in arrays whose numbers lie at other strides.
  function eachRow(shape, strides, visit) {
    const places = strides.map(() => 0), count = shape.map(() => 0), full = size(shape);
    for (let at = 0; at < full; at += last(shape)) {
      visit(at, places);
      for (let d = shape.length - 2; d >= 0; d--) {
        count[d] = (count[d] + 1) % shape[d];
        const moved = count[d] ? 1 : 1 - shape[d];
        for (let j = 0; j < places.length; j++) { places[j] += moved * strides[j][d]; }
        if (count[d]) { break; }
      }
    }
  }

  // erf(x) = 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (1 · 3 · … · (2n+1)); above 6 it rounds to 1
  function erf(x) {
    const z = Math.max(-6, Math.min(6, x)), limit = 1e-17 * Math.abs(z);
    let sum = 0;
    for (let n = 1, term = z; Math.abs(term) > limit; n += 2) {
      sum += term;
      term *= 2 * z * z / (n + 2);
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-z * z) * sum;
  }

  // A number made of one number, or of those at the same place of two or three values.
  const ELEMENTWISE = {
    copy: a => a, neg: a => -a, relu: a => a < 0 ? 0 : a, logical_not: a => a === 0,
    rsqrt: a => 1 / Math.sqrt(a), sigmoid: a => 1 / (1 + Math.exp(-a)), erf,
    gelu: a => a * (1 + erf(a * Math.SQRT1_2)) / 2, gelu_tanh: a =>
      a / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a))),
    sign: a => Number(a > 0) - Number(a < 0), // round: of two equally near the even one
    round: a => Math.round(a) - Number(a % 2 === 0.5 || a % 2 === -1.5),
    add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b,
    div: (a, b) => a / b, pow: (a, b) => a === 1 ? 1 : a ** b, fmod: (a, b) => a % b,
    div_floor: (a, b) => Math.floor(a / b), div_trunc: (a, b) => Math.trunc(a / b),
    remainder: (a, b) => a % b + (a % b && a % b < 0 !== b < 0 ? b : 0), // as in Python
    maximum: (a, b) => Math.max(a, b), minimum: (a, b) => Math.min(a, b),
    eq: (a, b) => a === b, lt: (a, b) => a < b, le: (a, b) => a <= b,
    ne: (a, b) => a !== b, gt: (a, b) => a > b, ge: (a, b) => a >= b,
    logical_and: (a, b) => a !== 0 && b !== 0, logical_or: (a, b) => a !== 0 || b !== 0,
    where: (condition, a, b) => condition ? a : b, abs: Math.abs, atan: Math.atan,
    ceil: Math.ceil, cos: Math.cos, exp: Math.exp, expm1: Math.expm1, floor: Math.floor,
    log: Math.log, log1p: Math.log1p, log2: Math.log2, sin: Math.sin, sqrt: Math.sqrt,
    tan: Math.tan, tanh: Math.tanh, trunc: Math.trunc
  };

  // Where the largest number of a row stands, or the smallest; NaN comes before all.
  function largest(row, sign = 1) {
    return row.reduce((best, x, i) => sign * x > sign * row[best]
      || (x !== x && row[best] === row[best]) ? i : best, 0);
  }

  // What is made of each row, that is of the numbers along the last dimension.
  const ROWS = {
    sum: row => [total(row)], mean: row => [total(row) / row.length],
    prod: row => [row.reduce((a, b) => a * b, 1)],
    amax: row => [row[largest(row)]], amin: row => [row[largest(row, -1)]],
    argmax: row => [largest(row)], argmin: row => [largest(row, -1)],
    softmax(row, node) {
      const top = row[largest(row)];
      // An attention that may look nowhere has the weights 0.
      if (node.zeros && top === -Infinity) { return row.map(() => 0); }
      const parts = row.map(x => Math.exp(x - top)), sum = total(parts);
      return node.log ? row.map(x => x - top - Math.log(sum)) : parts.map(x => x / sum);
    },
    normalize(row, node) { // the heart of layer norm and group norm
      const mean = total(row) / row.length;
      const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
      return row.map(x => (x - mean) / Math.sqrt(variance + node.epsilon));
    },
    cumsum(row) { let sum = 0; return row.map(x => sum += x); },
    argsort(row, node) { // equal numbers keep their order
      const sign = node.descending ? -1 : 1;
      return Array.from(row, (_, i) => i).sort((i, j) => sign * (row[i] - row[j]));
    },
  };

  // Where each number of a shape lies in another array: at the strides of the node and,
  // if there is an index, as many steps further as the index says.
  function places(node, shape, index) {
    const found = new Int32Array(size(shape)), n = last(shape);
    const strides = [node.strides, node.index_strides || node.strides];
    const [step, next] = strides.map(last), { length = 1, stride = 0 } = node;
    eachRow(shape, strides, (at, [a, b]) => {
      for (let i = 0; i < n; i++) {
        const chosen = index ? index.data[b + i * next] : 0;
        if (!(chosen >= 0 && chosen < length)) {
          fail(`${node.out} has the index ${chosen}, outside 0 to ${length - 1}.`);
        }
        found[at + i] = node.offset + a + i * step + chosen * stride;
      }
    });
    return found;
  }

  // All other operations: the numbers of the result.
  const OPERATIONS = {
    reshape: (node, x) => x.data.subarray(node.offset, node.offset + size(node.shape)),
    // Numbers from other places: transposed, cut out, repeated, looked up in a table.
    read(node, x, index) {
      const out = empty(node), from = places(node, node.shape, index);
      for (let i = 0; i < out.length; i++) { out[i] = x.data[from[i]]; }
      return out;
    },
    // The reverse: the numbers of x put into a copy of base, as in a cache.
    write(node, base, x, index) {
      const out = empty(node).fill(base.data[0]), to = places(node, x.shape, index);
      if (base.data.length > 1) { out.set(base.data); }
      for (let i = 0; i < to.length; i++) {
        out[to[i]] = x.data[i] + (node.add ? out[to[i]] : 0);
      }
      return out;
    },
    cat(node, ...values) {
      const out = empty(node), blocks = size(node.shape.slice(0, node.dim));
      for (let block = 0, at = 0; block < blocks; block++) {
        for (const { data } of values) {
          const n = data.length / blocks;
          out.set(data.subarray(block * n, block * n + n), at);
          at += n;
        }
      }
      return out;
    },
    // Every row of a by every row of b: out[..., i, j] = Σ_t a[..., i, t] b[..., j, t].
    // The strides say where b has its next matrix, its next row and its next number.
    matmul(node, a, b) {
      const out = empty(node), x = a.data, [m, k] = a.shape.slice(-2), y = b.data;
      const n = last(node.shape), [page, next, step] = node.strides;
      for (let row = 0; row * n < out.length; row++) {
        const start = node.offset + Math.floor(row / m) * page, from = row * k;
        for (let j = 0, width = 4; j < n; j += width) {
          if (j + 4 > n) { width = 1; } // four rows of b at a time, and one at the end
          const far = width === 4 ? next : 0;
          let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
          for (let t = 0, to = start + j * next; t < k; t++, to += step) {
            const v = x[from + t];
            a0 += v * y[to]; a1 += v * y[to + far];
            a2 += v * y[to + 2 * far]; a3 += v * y[to + 3 * far];
          }
          out.set(width === 4 ? [a0, a1, a2, a3] : [a0], row * n + j);
        }
      }
      return out;
    },
  };
  for (const [name, f] of Object.entries(ELEMENTWISE)) {
    OPERATIONS[name] = (node, ...values) => {
      const out = empty(node), [a, b = a, c = a] = values.map(value => value.data);
      const shape = node.strides ? node.shape : [out.length], n = last(shape);
      const strides = node.strides || values.map(x => [x.data.length === 1 ? 0 : 1]);
      const [da, db = 0, dc = 0] = strides.map(last);
      eachRow(shape, strides, (at, [i, j = 0, k = 0]) => {
        for (const end = at + n; at < end; at++, i += da, j += db, k += dc) {
          out[at] = f(a[i], b[j], c[k]);
        }
      });
      return out;
    };
  }
  for (const [name, f] of Object.entries(ROWS)) {
    OPERATIONS[name] = (node, x) => {
      const out = empty(node), n = last(x.shape), rows = size(x.shape.slice(0, -1));
      for (let i = 0; i < rows; i++) {
        out.set(f(x.data.subarray(i * n, i * n + n), node), i * out.length / rows);
      }
      return out;
    };
  }

  function half(bits) { // a number of 16 bits: sign, exponent of 5 bits, fraction of 10
    const sign = bits >> 15 ? -1 : 1, power = bits >> 10 & 31, part = bits & 1023;
    if (power === 31) { return part ? NaN : sign * Infinity; }
    return sign * (power ? 1024 + part : 2 * part) * 2 ** (power - 25);
  }

  const READERS = {
    F16: raw => Float32Array.from(new Uint16Array(raw), half),
    F32: raw => new Float32Array(raw), F64: raw => new Float64Array(raw),
    I32: raw => Float64Array.from(new Int32Array(raw)), BOOL: raw => new Uint8Array(raw)
  };

  // Reads weights from the bytes of their file, where the graph says that they lie.
  function readWeights(bytes, graph) {
    let low = 1, high = 0; // Adler's checksum
    for (const x of bytes) { low = (low + x) % 65521; high = (high + low) % 65521; }
    if (high * 65536 + low !== graph.checksum) {
      fail(`The weights of ${graph.name} are damaged or belong to another graph.`);
    }
    return new Map(graph.weights.map(({ name, dtype, shape, from, to }) =>
      [name, { data: READERS[dtype](bytes.slice(from, to).buffer), shape }]));
  }

  // Makes a value of what was given for an input, or says in a sentence what is wrong.
  function readInput({ name, shape, dtype, low = -Infinity, high = Infinity }, given) {
    const list = typeof given === "number" ? [given] : given || [];
    if (list.length !== size(shape)) {
      fail(`${name} has ${list.length} numbers, and ${size(shape)} are needed.`);
    }
    const whole = !dtype.startsWith("float"), kind = whole ? "whole number" : "number";
    const data = list instanceof ARRAYS[dtype] ? list
      : Float64Array.from(list, x => typeof x === "number" ? x : NaN);
    for (let i = 0; i < data.length; i++) {
      const x = data[i];
      if (whole ? x % 1 !== 0 : x !== x) { fail(`${name} has ${x}, not a ${kind}.`); }
      if (x < low || x > high) { fail(`${name} has ${x}, outside ${low} to ${high}.`); }
    }
    return { data: new ARRAYS[dtype](data), shape };
  }

  class Model {
    constructor(graph, bytes) {
      Object.assign(this, { graph, weights: readWeights(bytes, graph) });
      const unknown = graph.nodes.find(({ op }) => !Object.hasOwn(OPERATIONS, op));
      if (unknown) { fail(`${graph.name} needs ${unknown.op}, unknown to this page.`); }
    }

    // Computes the outputs from the inputs, both {name: numbers}.
    run(given) {
      const values = new Map(this.weights), { inputs, nodes, outputs } = this.graph;
      inputs.forEach(one => values.set(one.name, readInput(one, given[one.name])));
      const find = x => values.get(x) || { data: [x], shape: [] };
      for (const node of nodes) {
        const data = OPERATIONS[node.op](node, ...node.in.map(find));
        values.set(node.out, { data, shape: node.shape });
      }
      return Object.fromEntries(outputs.map(one => [one.name, find(one.value).data]));
    }
  }

  root.genaiLive = { Model };
})(typeof window === "undefined" ? globalThis : window);
