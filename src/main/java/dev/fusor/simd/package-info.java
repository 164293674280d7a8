/**
 * What the vector paths of the CPU primitives share. Only classes named {@code *Lanes} touch the Vector API, and they are
 * loaded only where {@link dev.fusor.simd.Specialised#available()} says so.
 */
package dev.fusor.simd;
