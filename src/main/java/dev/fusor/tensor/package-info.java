/** Off-heap memory with a type and a shape. Knows nothing of devices or of merging. */
package dev.fusor.tensor;
