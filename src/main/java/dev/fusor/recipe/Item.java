package dev.fusor.recipe;

import java.util.List;

/**
 * An output tensor to be planned.
 *
 * @param t how far down the slice it lies, from 0 to 1; 0 outside the layers
 * @param inputs its name in each source of the slice
 */
record Item(Slice slice, String name, double t, List<String> inputs) {}
