/**
 * PTX to C++, for the simulated CUDA driver.
 *
 * <p>{@link dev.fusor.simulator.ptx.Parser} reads a module into records, {@link dev.fusor.simulator.ptx.FormTable} says what each
 * instruction means, and {@link dev.fusor.simulator.ptx.Translator} writes the C++ that {@code native/simulator/runtime} runs.
 * Whatever the tables do not name is refused, by name and line: nothing is guessed, and no modifier is dropped silently.
 */
package dev.fusor.simulator.ptx;
