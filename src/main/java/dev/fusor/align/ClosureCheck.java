package dev.fusor.align;

import dev.fusor.align.SpecGenerator.Generated;
import java.util.List;
import java.util.Optional;

/** Whether a spec permutes alike what its network couples. */
final class ClosureCheck {
    private final PermutationSpec spec;
    private final Generated known;

    ClosureCheck(PermutationSpec spec, Generated known) {
        this.spec = spec;
        this.known = known;
    }

    void check() throws SpecException {
        for (PermutationGroup group : known.spec().groups()) {
            List<Occurrence> coupled = known.spec().of(group);
            Occurrence first = coupled.getFirst();
            Optional<Occurrence> wanted = written(first);
            for (Occurrence other : coupled) {
                Optional<Occurrence> got = written(other);
                if (!got.map(Occurrence::group).equals(wanted.map(Occurrence::group))) {
                    throw new SpecException(null,
                            "tensor '%s', axis %d, is permuted by %s, wanted %s as axis %d of '%s' is: in %s, '%s' permutes both or neither"
                                    .formatted(other.tensor(), other.axis(), words(got), words(wanted), first.axis(),
                                            first.tensor(), known.network(), group.name()));
                }
                if (got.isPresent() && got.get().block() % other.block() != 0) {
                    throw new SpecException(null,
                            "tensor '%s', axis %d: units of group '%s' have %d entries, wanted a multiple of %d, which move together in %s"
                                    .formatted(other.tensor(), other.axis(), got.get().group().name(),
                                            got.get().block(), other.block(), known.network()));
                }
            }
        }
    }

    /** What the spec does to a stretch. */
    private Optional<Occurrence> written(Occurrence stretch) {
        return spec.in(stretch.tensor()).stream().filter(occurrence -> occurrence.axis() == stretch.axis()
                && occurrence.start() < stretch.end() && stretch.start() < occurrence.end()).findFirst();
    }

    private static String words(Optional<Occurrence> occurrence) {
        return occurrence.map(found -> "'" + found.group().name() + "'").orElse("no group");
    }
}
