/** How task vectors agree. */
package dev.fusor.consensus;
