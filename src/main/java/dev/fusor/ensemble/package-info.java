/** The predictions of many models as one. */
package dev.fusor.ensemble;
