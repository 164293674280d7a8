package dev.fusor.checkpoint;

import java.util.Collection;
import java.util.stream.Collectors;

/** What a tensor may be called, and how a string that came from a file is shown to a person. */
final class Names {
    /** The key of a safetensors header that is not a tensor. */
    static final String METADATA = "__metadata__";
    /** The longest name, in UTF-16 units; the longest seen in public models is below 300. */
    static final int MAX_LENGTH = 4096;
    private static final int SHOWN = 120;
    private static final int LISTED = 8;

    private Names() {}

    /** {@return why the string cannot name a tensor, or null if it can} */
    static String fault(String name) {
        if (name.isEmpty()) {
            return "is empty";
        }
        if (name.equals(METADATA)) {
            return "is reserved for the metadata";
        }
        if (name.length() > MAX_LENGTH) {
            return "is longer than " + MAX_LENGTH + " characters";
        }
        for (int i = 0; i < name.length(); i++) {
            if (Character.isISOControl(name.charAt(i))) {
                return "holds a control character";
            }
        }
        return isWellFormed(name) ? null : "holds half a surrogate pair";
    }

    /** {@return false if the string holds half a surrogate pair, which has no UTF-8 form} */
    static boolean isWellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (i + 1 == text.length() || !Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1))) {
                    return false;
                }
                i++;
            }
        }
        return true;
    }

    /** {@return the string in single quotes, printable on a terminal and not endless} */
    static String quote(String text) {
        return "'" + printable(text) + "'";
    }

    /** {@return the string with control characters and surrogate halves escaped, cut to a readable length} */
    static String printable(String text) {
        String shown = text.length() <= SHOWN ? text : text.substring(0, SHOWN);
        String escaped = shown.codePoints()
                .mapToObj(c -> Character.isISOControl(c) || Character.getType(c) == Character.SURROGATE
                        ? "\\u%04x".formatted(c)
                        : Character.toString(c))
                .collect(Collectors.joining());
        return text.length() <= SHOWN ? escaped : escaped + "...";
    }

    /** {@return the first few of the names, and how many more there are} */
    static String list(Collection<String> names) {
        String shown = names.stream().limit(LISTED).map(Names::printable).collect(Collectors.joining(", "));
        return names.size() <= LISTED ? shown : shown + " and " + (names.size() - LISTED) + " more";
    }
}
