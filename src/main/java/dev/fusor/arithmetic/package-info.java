/** Element-wise sums of models. */
package dev.fusor.arithmetic;
