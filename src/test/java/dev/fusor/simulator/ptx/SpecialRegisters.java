package dev.fusor.simulator.ptx;

import java.util.HashMap;
import java.util.Map;

/** The registers that the machine sets, as C++ expressions of their width. */
final class SpecialRegisters {
    private static final Map<String, Symbol> ALL = new HashMap<>();

    static {
        String[][] places = {{"%tid", "tid"}, {"%ntid", "ntid"}, {"%ctaid", "ctaid"}, {"%nctaid", "nctaid"},
            {"%clusterid", "clusterid"}, {"%nclusterid", "nclusterid"}, {"%cluster_ctaid", "clusterCtaid"},
            {"%cluster_nctaid", "clusterNctaid"}};
        for (String[] place : places) {
            for (String axis : new String[]{"x", "y", "z"}) {
                add(place[0] + "." + axis, 32, "thread." + place[1] + "." + axis);
            }
        }
        add("%cluster_ctarank", 32, "thread.clusterCtarank");
        add("%cluster_nctarank", 32, "thread.clusterNctarank");
        add("%is_explicit_cluster", 1, "(thread.clusterNctarank > 1)");
        add("%laneid", 32, "thread.lane");
        add("%warpid", 32, "thread.warp");
        add("%nwarpid", 32, "thread.warps");
        add("%lanemask_eq", 32, "(1u << thread.lane)");
        add("%lanemask_lt", 32, "((1u << thread.lane) - 1)");
        add("%lanemask_le", 32, "((2u << thread.lane) - 1)");
        add("%lanemask_gt", 32, "~((2u << thread.lane) - 1)");
        add("%lanemask_ge", 32, "~((1u << thread.lane) - 1)");
        // One multiprocessor: nothing but scheduling may depend on which.
        add("%smid", 32, "0u");
        add("%nsmid", 32, "1u");
        add("%clock", 32, "static_cast<u32>(clock(thread))");
        add("%clock_hi", 32, "static_cast<u32>(clock(thread) >> 32)");
        add("%clock64", 64, "clock(thread)");
        add("%globaltimer", 64, "clock(thread)");
        add("%globaltimer_lo", 32, "static_cast<u32>(clock(thread))");
        add("%globaltimer_hi", 32, "static_cast<u32>(clock(thread) >> 32)");
        add("%dynamic_smem_size", 32, "thread.dynamicSharedBytes");
        add("WARP_SZ", 32, "32u");
    }

    private SpecialRegisters() {}

    private static void add(String name, int bits, String expression) {
        ALL.put(name, new Symbol("reg", expression, bits, 0));
    }

    /** Null where there is none of this name, or the simulator has no answer for it. */
    static Symbol find(String name) {
        return ALL.get(name);
    }
}
