package dev.fusor.align;

import dev.fusor.align.SpecTemplate.Part;
import dev.fusor.tensor.Shape;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Makes the spec of a checkpoint from a template. */
final class SpecResolver {
    private final SpecTemplate template;
    private final Map<String, Shape> checkpoint;
    private final Map<String, PermutationGroup> groups = new LinkedHashMap<>();
    private final List<Occurrence> occurrences = new ArrayList<>();

    SpecResolver(SpecTemplate template, Map<String, Shape> checkpoint) {
        this.template = template;
        this.checkpoint = checkpoint;
    }

    PermutationSpec resolve() throws SpecException {
        for (Map.Entry<String, Integer> group : template.groups().entrySet()) {
            for (Map<String, Integer> indices : template.instances(group.getKey())) {
                String name = new IndexedName(group.getKey()).at(indices);
                if (groups.putIfAbsent(name, new PermutationGroup(name, group.getValue())) != null) {
                    throw new SpecException(group.getKey(), "the group '%s' is given twice".formatted(name));
                }
            }
        }
        Map<String, String> written = new LinkedHashMap<>();
        for (String pattern : template.tensors().keySet()) {
            for (Map<String, Integer> indices : template.instances(pattern)) {
                String name = new IndexedName(pattern).at(indices);
                if (written.putIfAbsent(name, pattern) != null) {
                    throw new SpecException(pattern, "the tensor '%s' is given twice".formatted(name));
                }
                resolve(pattern, name, indices);
            }
        }
        checkComplete(written.keySet());
        PermutationSpec spec = new PermutationSpec(groups.values(), checkpoint, occurrences);
        new ModuleCheck(spec).check(written);
        return spec;
    }

    private void resolve(String pattern, String tensor, Map<String, Integer> indices) throws SpecException {
        Shape shape = checkpoint.get(tensor);
        if (shape == null) {
            throw new SpecException(pattern, "the checkpoint has no tensor '%s'".formatted(tensor));
        }
        List<List<Part>> axes = template.tensors().get(pattern);
        if (axes.isEmpty()) {
            return;
        }
        if (axes.size() != shape.rank()) {
            throw new SpecException(pattern, "tensor '%s' has the shape %s: wanted %d axes, got %d".formatted(tensor,
                    shape, shape.rank(), axes.size()));
        }
        for (int axis = 0; axis < axes.size(); axis++) {
            long even = evenShare(pattern, tensor, shape, axis);
            long start = 0;
            for (Part part : axes.get(axis)) {
                long length = part.length().orElse(even);
                if (part.group().isPresent()) {
                    PermutationGroup group = group(pattern, tensor, new IndexedName(part.group().get()).at(indices));
                    if (length < 1 || length % group.units() != 0) {
                        throw new SpecException(pattern,
                                "tensor '%s', axis %d of %s: the %d units of group '%s' cannot share out %d entries evenly"
                                        .formatted(tensor, axis, shape, group.units(), group.name(), length));
                    }
                    occurrences.add(new Occurrence(tensor, axis, start, group, length / group.units()));
                }
                start += length;
            }
        }
    }

    private long evenShare(String pattern, String tensor, Shape shape, int axis) throws SpecException {
        List<Part> parts = template.tensors().get(pattern).get(axis);
        long rest = shape.extent(axis);
        int open = 0;
        for (Part part : parts) {
            rest -= part.length().orElse(0);
            open += part.length().isEmpty() ? 1 : 0;
        }
        if (rest < 0 || open == 0 ? rest != 0 : rest % open != 0) {
            throw new SpecException(pattern, open == 0 || rest < 0
                    ? "tensor '%s', axis %d of %s: the parts take %d entries, wanted %d".formatted(tensor, axis, shape,
                            shape.extent(axis) - rest, shape.extent(axis))
                    : "tensor '%s', axis %d of %s: %d parts cannot share out %d entries evenly; give their lengths"
                            .formatted(tensor, axis, shape, open, rest));
        }
        return open == 0 ? 0 : rest / open;
    }

    private PermutationGroup group(String pattern, String tensor, String name) throws SpecException {
        PermutationGroup group = groups.get(name);
        if (group == null) {
            throw new SpecException(pattern, "tensor '%s': there is no group '%s'; groups are %s".formatted(tensor,
                    name, String.join(", ", template.groups().keySet())));
        }
        return group;
    }

    private void checkComplete(Set<String> written) throws SpecException {
        List<String> missing = checkpoint.keySet().stream().filter(name -> !written.contains(name)).toList();
        if (!missing.isEmpty()) {
            throw new SpecException(null,
                    "the checkpoint's tensor '%s'%s not in the spec; write '%s: ~' if it stays as it is".formatted(
                            missing.getFirst(),
                            missing.size() == 1 ? " is" : " and %d more are".formatted(missing.size() - 1),
                            missing.getFirst()));
        }
        Set<PermutationGroup> occurring = new HashSet<>();
        occurrences.forEach(occurrence -> occurring.add(occurrence.group()));
        for (String pattern : template.groups().keySet()) {
            for (Map<String, Integer> indices : template.instances(pattern)) {
                String name = new IndexedName(pattern).at(indices);
                if (!occurring.contains(groups.get(name))) {
                    throw new SpecException(pattern, "the group '%s' occurs in no tensor; remove it".formatted(name));
                }
            }
        }
    }
}
