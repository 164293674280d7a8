/** Matching rows with columns: which units of one model are which of another. */
package dev.fusor.assign;
