/** Where primitives run. */
package dev.fusor.device;
