/* What command lines have in common: numbers in a range, and the limit on open descriptors. */
#ifndef EXAMPLES_ARGUMENTS_H
#define EXAMPLES_ARGUMENTS_H

/* Parse the decimal `text` given for `option` into `value`. 0; -1 with a message on stderr when it is not a number from
 * `least` to `most`. */
int argument_number(const char *option, const char *text, long least, long most, long *value);

/* Raise the soft limit on open descriptors to the hard one. Returns the limit that now holds. */
unsigned long raise_descriptor_limit(void);

#endif
