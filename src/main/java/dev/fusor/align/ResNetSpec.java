package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Residual networks under torchvision's names: a stem, blocks of convolutions each with its batch norm after it, a linear
 * head. Blocks without a convolution on their shortcut share one residual stream. Where a shortcut pads channels instead,
 * the channels of one stream are among those of the next, and all streams stay.
 */
final class ResNetSpec {
    private static final Pattern BLOCK = Pattern.compile("(|.*\\.)(layer(\\d{1,4})\\.(\\d{1,4})\\.)conv1\\.weight");
    private static final List<String> SHORTCUTS = List.of("downsample", "shortcut");
    private static final List<String> HEADS = List.of("fc", "linear");

    private final Map<String, Shape> tensors;
    private final String prefix;
    private final List<String> blocks;
    private final Draft draft;
    private final boolean streamsStay;

    /** The channels between two layers; they stay where they have no group. */
    private record Channels(String group, long width) {}

    private ResNetSpec(Map<String, Shape> tensors, String prefix, List<String> blocks, Draft draft)
            throws SpecException {
        this.tensors = tensors;
        this.prefix = prefix;
        this.blocks = blocks;
        this.draft = draft;
        boolean padded = false;
        for (String block : blocks) {
            padded |= shortcut(block).isEmpty()
                    && convolution(block + "conv1").extent(1) != outputs(block);
        }
        this.streamsStay = padded;
    }

    static Optional<Draft> draft(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException {
        List<Matcher> found = tensors.keySet().stream().map(BLOCK::matcher).filter(Matcher::matches)
                .sorted(Comparator.<Matcher>comparingInt(block -> Integer.parseInt(block.group(3)))
                        .thenComparingInt(block -> Integer.parseInt(block.group(4))))
                .toList();
        if (found.isEmpty() || !tensors.containsKey(found.getFirst().group(1) + "bn1.weight")) {
            return Optional.empty();
        }
        String prefix = found.getFirst().group(1);
        List<String> blocks = found.stream().map(block -> prefix + block.group(2)).toList();
        Draft draft = new Draft("a residual network", tensors, configuration);
        new ResNetSpec(tensors, prefix, blocks, draft).write();
        return Optional.of(draft);
    }

    private void write() throws SpecException {
        Shape stem = convolution(prefix + "conv1");
        Channels stream = stream(prefix + "stem", stem.extent(0));
        add(prefix + "conv1", prefix + "bn1", new Channels(null, stem.extent(1)), stream);
        for (String block : blocks) {
            stream = write(block, stream);
        }
        for (String head : HEADS) {
            draft.add(prefix + head + ".weight", null, stream.group());
            draft.add(prefix + head + ".bias");
        }
    }

    /** A block, from the stream before it to the one after it. */
    private Channels write(String block, Channels before) throws SpecException {
        Optional<String> shortcut = shortcut(block);
        int depth = depth(block);
        Channels after = shortcut.isPresent() ? stream(block + "out", outputs(block)) : before;
        Channels inside = before;
        for (int i = 1; i <= depth; i++) {
            String name = block + "conv" + i;
            Channels next = i == depth ? after : inner(block + i, convolution(name).extent(0));
            add(name, block + "bn" + i, inside, next);
            inside = next;
        }
        if (shortcut.isPresent()) {
            add(shortcut.get() + ".0", shortcut.get() + ".1", before, after);
        }
        return after;
    }

    private void add(String convolution, String norm, Channels in, Channels out) throws SpecException {
        Shape shape = convolution(convolution);
        if (shape.extent(1) != in.width()) {
            throw new SpecException(null,
                    "taken for %s, the convolution '%s' of shape %s should have %d input channels; write a spec"
                            .formatted(draft.network(), convolution, shape, in.width()));
        }
        String[] axes = new String[shape.rank()];
        axes[0] = out.group();
        axes[1] = in.group();
        draft.add(convolution + ".weight", axes);
        draft.add(convolution + ".bias", out.group());
        draft.addNorm(norm, out.group());
    }

    private Channels stream(String name, long width) throws SpecException {
        return streamsStay ? new Channels(null, width) : inner(name, width);
    }

    private Channels inner(String name, long width) throws SpecException {
        draft.group(name, width);
        return new Channels(name, width);
    }

    private Optional<String> shortcut(String block) {
        return SHORTCUTS.stream().map(block::concat).filter(name -> tensors.containsKey(name + ".0.weight"))
                .findFirst();
    }

    private int depth(String block) {
        int depth = 1;
        while (tensors.containsKey(block + "conv" + (depth + 1) + ".weight")) {
            depth++;
        }
        return depth;
    }

    private long outputs(String block) throws SpecException {
        return convolution(block + "conv" + depth(block)).extent(0);
    }

    private Shape convolution(String name) throws SpecException {
        Shape shape = tensors.get(name + ".weight");
        if (shape == null || shape.rank() < 3) {
            throw new SpecException(null,
                    "taken for %s, the checkpoint needs a convolution '%s.weight', got %s; write a spec"
                            .formatted(draft.network(), name, shape == null ? "none" : shape));
        }
        return shape;
    }
}
