package dev.fusor.align;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Small networks in float64, from their textbook definitions. Every sum is taken over its terms in ascending order, so that it
 * does not depend on the order of the units: a permutation that leaves the function as it is leaves its bits.
 */
final class Networks {
    private Networks() {}

    /** The weights of a network, by name. */
    record Weights(Map<String, Tensor> tensors) {
        /** Bell-shaped weights; variances are positive, whole numbers are 0. */
        static Weights random(Map<String, Shape> shapes, long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            shapes.forEach((name, shape) -> {
                boolean whole = name.endsWith("num_batches_tracked");
                Tensor tensor = Tensor.allocate(Arena.ofAuto(), whole ? DType.I64 : DType.F64, shape.toArray());
                for (long i = 0; i < shape.elements() && !whole; i++) {
                    double value = random.nextGaussian();
                    Elements.set(tensor, i, name.endsWith("running_var") ? 0.5 + value * value : value);
                }
                tensors.put(name, tensor);
            });
            return new Weights(tensors);
        }

        Weights permuted(PermutationSpec spec, Permutations permutations) {
            Map<String, Tensor> permuted = new LinkedHashMap<>();
            tensors.forEach((name, tensor) -> {
                TensorSource source = PermutedSource.of(tensor, spec.in(name), permutations);
                permuted.put(name, Tensor.of(source.slice(0, source.elements()).data(), source.dtype(),
                        source.shape()));
            });
            return new Weights(permuted);
        }

        boolean has(String name) {
            return tensors.containsKey(name);
        }

        double get(String name, long... index) {
            Tensor tensor = tensors.get(name);
            long flat = 0;
            for (int axis = 0; axis < index.length; axis++) {
                flat = flat * tensor.shape().extent(axis) + index[axis];
            }
            return Elements.get(tensor, flat);
        }

        int extent(String name, int axis) {
            return (int) tensors.get(name).shape().extent(axis);
        }
    }

    static double sum(int terms, IntToDoubleFunction term) {
        double[] sorted = IntStream.range(0, terms).mapToDouble(term).sorted().toArray();
        double sum = 0;
        for (double value : sorted) {
            sum += value;
        }
        return sum;
    }

    /** W x + b, of a weight that lies [outputs, inputs]. */
    static double[] linear(Weights w, String name, double[] x) {
        return IntStream.range(0, w.extent(name + ".weight", 0))
                .mapToDouble(o -> sum(x.length, i -> w.get(name + ".weight", o, i) * x[i])
                        + (w.has(name + ".bias") ? w.get(name + ".bias", o) : 0))
                .toArray();
    }

    /** The same, of a weight that lies [inputs, outputs]. */
    static double[] linearAcross(Weights w, String name, double[] x) {
        return IntStream.range(0, w.extent(name + ".weight", 1))
                .mapToDouble(o -> sum(x.length, i -> w.get(name + ".weight", i, o) * x[i]) + w.get(name + ".bias", o))
                .toArray();
    }

    static double[] relu(double[] x) {
        return Arrays.stream(x).map(value -> Math.max(0, value)).toArray();
    }

    static double[] plus(double[] x, double[] y) {
        return IntStream.range(0, x.length).mapToDouble(i -> x[i] + y[i]).toArray();
    }

    /** A linear layer and ReLU after another, under names of a sequence. */
    static double[] mlp(Weights w, List<String> layers, double[] x) {
        double[] h = x;
        for (String layer : layers) {
            h = linear(w, layer, h);
            h = layer.equals(layers.getLast()) ? h : relu(h);
        }
        return h;
    }

    /** Channels of square images. */
    record Image(int channels, int side, double[] pixels) {
        double at(int channel, int row, int column) {
            boolean inside = row >= 0 && column >= 0 && row < side && column < side;
            return inside ? pixels[(channel * side + row) * side + column] : 0;
        }

        Image relu() {
            return new Image(channels, side, Networks.relu(pixels));
        }

        Image plus(Image other) {
            return new Image(channels, side, Networks.plus(pixels, other.pixels));
        }

        double[] means() {
            int area = side * side;
            return IntStream.range(0, channels)
                    .mapToDouble(c -> sum(area, i -> pixels[c * area + i]) / area).toArray();
        }
    }

    /** A convolution with odd kernels, padded to keep the side; each group of channels convolves its own. */
    static Image convolution(Weights w, String name, Image x) {
        int outputs = w.extent(name + ".weight", 0);
        int inputs = w.extent(name + ".weight", 1);
        int kernel = w.extent(name + ".weight", 2);
        double[] pixels = new double[outputs * x.side() * x.side()];
        for (int o = 0; o < outputs; o++) {
            int output = o;
            int first = o / (outputs * inputs / x.channels()) * inputs;
            for (int p = 0; p < x.side() * x.side(); p++) {
                int row = p / x.side() - kernel / 2;
                int column = p % x.side() - kernel / 2;
                pixels[o * x.side() * x.side() + p] = sum(inputs * kernel * kernel, term -> {
                    int i = term / (kernel * kernel);
                    int u = term / kernel % kernel;
                    int v = term % kernel;
                    return w.get(name + ".weight", output, i, u, v) * x.at(first + i, row + u, column + v);
                }) + (w.has(name + ".bias") ? w.get(name + ".bias", o) : 0);
            }
        }
        return new Image(outputs, x.side(), pixels);
    }

    /** Batch norm with running statistics. */
    static Image batchNorm(Weights w, String name, Image x) {
        double[] pixels = new double[x.pixels().length];
        for (int i = 0; i < pixels.length; i++) {
            int c = i / (x.side() * x.side());
            pixels[i] = (x.pixels()[i] - w.get(name + ".running_mean", c))
                    / Math.sqrt(w.get(name + ".running_var", c) + 1e-5) * w.get(name + ".weight", c)
                    + w.get(name + ".bias", c);
        }
        return new Image(x.channels(), x.side(), pixels);
    }

    /** Convolution, norm, depthwise convolution, convolution, flattened into two linear layers. */
    static double[] cnn(Weights w, Image x) {
        Image h = batchNorm(w, "features.1", convolution(w, "features.0", x)).relu();
        h = convolution(w, "features.5", convolution(w, "features.3", h).relu()).relu();
        return mlp(w, List.of("classifier.0", "classifier.3"), h.pixels());
    }

    /** A residual network with ReLU after each sum; a shortcut without weights pads channels with zeros. */
    static double[] resNet(Weights w, List<String> blocks, Image x) {
        Image h = batchNorm(w, "bn1", convolution(w, "conv1", x)).relu();
        for (String block : blocks) {
            Image inside = h;
            int depth = w.has(block + ".conv3.weight") ? 3 : 2;
            for (int i = 1; i <= depth; i++) {
                inside = batchNorm(w, block + ".bn" + i, convolution(w, block + ".conv" + i, inside));
                inside = i == depth ? inside : inside.relu();
            }
            Image shortcut = w.has(block + ".downsample.0.weight")
                    ? batchNorm(w, block + ".downsample.1", convolution(w, block + ".downsample.0", h))
                    : new Image(inside.channels(), h.side(), Arrays.copyOf(h.pixels(), inside.pixels().length));
            h = inside.plus(shortcut).relu();
        }
        return linear(w, "fc", h.means());
    }

    static double[] rmsNorm(Weights w, String name, double[] x) {
        double scale = 1 / Math.sqrt(sum(x.length, i -> x[i] * x[i]) / x.length + 1e-6);
        return IntStream.range(0, x.length).mapToDouble(i -> x[i] * scale * w.get(name + ".weight", i)).toArray();
    }

    static double[] layerNorm(Weights w, String name, double[] x) {
        double mean = sum(x.length, i -> x[i]) / x.length;
        double scale = 1 / Math.sqrt(sum(x.length, i -> (x[i] - mean) * (x[i] - mean)) / x.length + 1e-5);
        return IntStream.range(0, x.length)
                .mapToDouble(i -> (x[i] - mean) * scale * w.get(name + ".weight", i) + w.get(name + ".bias", i))
                .toArray();
    }

    /** Causal attention of one query head: the values of the past, weighted by softmax of q k / sqrt(width). */
    private static double[] attend(double[] query, double[][] keys, double[][] values) {
        double[] scores = Arrays.stream(keys)
                .mapToDouble(key -> sum(key.length, i -> query[i] * key[i]) / Math.sqrt(key.length)).toArray();
        double most = Arrays.stream(scores).max().orElseThrow();
        double[] weights = Arrays.stream(scores).map(score -> Math.exp(score - most)).toArray();
        double total = Arrays.stream(weights).sum();
        double[] out = new double[values[0].length];
        for (int t = 0; t < values.length; t++) {
            for (int i = 0; i < out.length; i++) {
                out[i] += weights[t] / total * values[t][i];
            }
        }
        return out;
    }

    private static double[][] rows(int count, IntFunction<double[]> row) {
        return IntStream.range(0, count).mapToObj(row).toArray(double[][]::new);
    }

    private static double[] head(double[] all, int head, int width) {
        return Arrays.copyOfRange(all, head * width, (head + 1) * width);
    }

    /** Rotary embedding: entry i is the first of a pair with entry i + width / 2. */
    private static double[] rotate(double[] head, int position) {
        int half = head.length / 2;
        double[] rotated = new double[head.length];
        for (int i = 0; i < half; i++) {
            double angle = position * Math.pow(10_000, -(double) i / half);
            rotated[i] = head[i] * Math.cos(angle) - head[i + half] * Math.sin(angle);
            rotated[i + half] = head[i + half] * Math.cos(angle) + head[i] * Math.sin(angle);
        }
        return rotated;
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static double gelu(double x) {
        return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    /** The logits after the last token; query heads share key heads in order, and the output head is the embedding if tied. */
    static double[] llama(Weights w, int layers, int queryHeads, int keyHeads, int[] tokens) {
        int hidden = w.extent("model.embed_tokens.weight", 1);
        double[][] h = rows(tokens.length, t -> IntStream.range(0, hidden)
                .mapToDouble(i -> w.get("model.embed_tokens.weight", tokens[t], i)).toArray());
        for (int l = 0; l < layers; l++) {
            String layer = "model.layers." + l + ".";
            double[][] x = rows(h.length, t -> h[t]);
            double[][] normed = rows(h.length, t -> rmsNorm(w, layer + "input_layernorm", x[t]));
            for (int t = 0; t < h.length; t++) {
                double[] attention = linear(w, layer + "self_attn.o_proj",
                        attention(w, layer + "self_attn.", queryHeads, keyHeads, normed, t));
                double[] after = plus(x[t], attention);
                double[] inner = rmsNorm(w, layer + "post_attention_layernorm", after);
                double[] gate = linear(w, layer + "mlp.gate_proj", inner);
                double[] up = linear(w, layer + "mlp.up_proj", inner);
                double[] product = IntStream.range(0, up.length).mapToDouble(i -> silu(gate[i]) * up[i]).toArray();
                h[t] = plus(after, linear(w, layer + "mlp.down_proj", product));
            }
        }
        double[] last = rmsNorm(w, "model.norm", h[h.length - 1]);
        return linear(w, w.has("lm_head.weight") ? "lm_head" : "model.embed_tokens", last);
    }

    private static double[] attention(Weights w, String module, int queryHeads, int keyHeads, double[][] x, int t) {
        int width = w.extent(module + "k_proj.weight", 0) / keyHeads;
        double[] out = new double[queryHeads * width];
        for (int q = 0; q < queryHeads; q++) {
            int keyHead = q / (queryHeads / keyHeads);
            double[] query = headOf(w, module, "q", q, width, x[t], t);
            double[][] keys = rows(t + 1, s -> headOf(w, module, "k", keyHead, width, x[s], s));
            double[][] values = rows(t + 1, s -> head(linear(w, module + "v_proj", x[s]), keyHead, width));
            System.arraycopy(attend(query, keys, values), 0, out, q * width, width);
        }
        return out;
    }

    private static double[] headOf(Weights w, String module, String what, int head, int width, double[] x,
            int position) {
        double[] all = linear(w, module + what + "_proj", x);
        String norm = module + what + "_norm";
        boolean together = w.has(norm + ".weight") && w.extent(norm + ".weight", 0) == all.length && all.length > width;
        double[] one = head(together ? rmsNorm(w, norm, all) : all, head, width);
        return rotate(w.has(norm + ".weight") && !together ? rmsNorm(w, norm, one) : one, position);
    }

    /** The logits after the last token, as GPT-2 has them. */
    static double[] gpt2(Weights w, int layers, int heads, int[] tokens) {
        int hidden = w.extent("wte.weight", 1);
        double[][] h = rows(tokens.length, t -> IntStream.range(0, hidden)
                .mapToDouble(i -> w.get("wte.weight", tokens[t], i) + w.get("wpe.weight", t, i)).toArray());
        for (int l = 0; l < layers; l++) {
            String layer = "h." + l + ".";
            double[][] x = rows(h.length, t -> h[t]);
            double[][] qkv = rows(h.length,
                    t -> linearAcross(w, layer + "attn.c_attn", layerNorm(w, layer + "ln_1", x[t])));
            int width = hidden / heads;
            for (int t = 0; t < h.length; t++) {
                double[] out = new double[hidden];
                for (int head = 0; head < heads; head++) {
                    int n = head;
                    System.arraycopy(attend(head(qkv[t], n, width), rows(t + 1, s -> head(qkv[s], heads + n, width)),
                            rows(t + 1, s -> head(qkv[s], 2 * heads + n, width))), 0, out, n * width, width);
                }
                double[] after = plus(x[t], linearAcross(w, layer + "attn.c_proj", out));
                double[] inner = linearAcross(w, layer + "mlp.c_fc", layerNorm(w, layer + "ln_2", after));
                h[t] = plus(after,
                        linearAcross(w, layer + "mlp.c_proj", Arrays.stream(inner).map(Networks::gelu).toArray()));
            }
        }
        return linear(w, "wte", layerNorm(w, "ln_f", h[h.length - 1]));
    }
}
