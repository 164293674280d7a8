/** Matrices of units: how alike they are, and tensors whose axes are read in another order. */
package dev.fusor.linalg;
