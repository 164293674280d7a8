/** The command line. */
package dev.fusor.cli;
