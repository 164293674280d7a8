/**
 * Checkpoints on disk: safetensors files, sharded or single, read with every rule checked and written all or nothing.
 *
 * <p>Nothing here computes; {@link dev.fusor.checkpoint.Checkpoint} reads and
 * {@link dev.fusor.checkpoint.CheckpointWriter} writes; {@link dev.fusor.checkpoint.ArrayReader} and
 * {@link dev.fusor.checkpoint.ArrayWriter} do single arrays, NumPy's files among them. Every failure that a user can mend is a
 * {@link dev.fusor.checkpoint.CheckpointException} of one sentence.
 */
package dev.fusor.checkpoint;
