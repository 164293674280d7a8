package dev.fusor.align;

import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A name with indices, such as {@code layers.<i>.up.weight} or {@code hidden.<i-1>}; any number of them, or none. */
record IndexedName(String text) {
    private static final Pattern INDEX = Pattern.compile("<([A-Za-z]\\w*)([+-]\\d{1,6})?>");

    /** The indices, each once. */
    Set<String> indices() {
        Set<String> indices = new LinkedHashSet<>();
        INDEX.matcher(text).results().forEach((MatchResult index) -> indices.add(index.group(1)));
        return indices;
    }

    /** The name where the indices have these values; it has no others. */
    String at(Map<String, Integer> values) {
        return INDEX.matcher(text).replaceAll(index -> {
            int shift = index.group(2) == null ? 0 : Integer.parseInt(index.group(2));
            return Integer.toString(values.get(index.group(1)) + shift);
        });
    }
}
