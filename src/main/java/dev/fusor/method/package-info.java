/** Merge methods: each a composition of primitives, under the name and with the parameters that mergekit gives it. */
package dev.fusor.method;
