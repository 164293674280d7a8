/** Carries a merge plan out: streams its tensors through a device in bounded memory, and writes a checkpoint. */
package dev.fusor.merge;
