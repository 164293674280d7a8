/** Many elements to one number, in an order that never changes. */
package dev.fusor.reduce;
