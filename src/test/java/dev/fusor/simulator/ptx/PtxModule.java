package dev.fusor.simulator.ptx;

import java.util.List;
import java.util.Map;

/** A parsed PTX text. Files are those of {@code .file}, by number. */
record PtxModule(int major, int minor, String target, Map<Integer, String> files, List<Variable> variables,
        List<Function> functions) {
    /** Without the entries of other names. */
    PtxModule only(String entry) {
        return new PtxModule(major, minor, target, files, variables,
                functions.stream().filter(function -> !function.entry() || function.name().equals(entry)).toList());
    }
}
