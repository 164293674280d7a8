/** How elements of task vectors are dropped at random. */
package dev.fusor.drop;
