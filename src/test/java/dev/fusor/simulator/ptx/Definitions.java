package dev.fusor.simulator.ptx;

import java.util.List;

/** The definition of each instruction that computes from registers alone, written from the manual and not from what is tested. */
final class Definitions {
    private Definitions() {}

    /** What each destination has to hold; null where there is no definition. */
    static List<Outcome> define(Invocation in) {
        String type = in.chosen().get("t");
        if (in.opcode().equals("cvt")) {
            return ConvertDefinitions.define(in);
        }
        if (in.opcode().equals("set") || in.opcode().equals("setp")) {
            return CompareDefinitions.define(in);
        }
        List<Outcome> bits = BitDefinitions.define(in);
        if (bits != null) {
            return bits;
        }
        return type.contains("f") ? FloatDefinitions.define(in) : IntegerDefinitions.define(in);
    }
}
