/** Which elements of a task vector are kept. */
package dev.fusor.trim;
