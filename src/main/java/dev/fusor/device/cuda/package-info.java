/**
 * CUDA devices through the driver API, called by the Foreign Function &amp; Memory API.
 *
 * <p>{@link dev.fusor.device.cuda.CudaDriver#probe()} says whether there is one, without an exception and without a
 * context. {@link dev.fusor.device.cuda.CudaDevice} stands for a context: Fusor's own by the primary context of the
 * device, which the CUDA runtime and most libraries share, or one that somebody else made. Contexts, streams and
 * addresses made elsewhere are wrapped and never destroyed.
 *
 * <p>Objects here may be used by any thread, and by several at once, unless their class says otherwise; each call makes
 * the context current on its thread, and leaves it so. What waits for the device blocks the thread in native code: use a
 * platform thread for it.
 */
package dev.fusor.device.cuda;
