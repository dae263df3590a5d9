/* Whether a model file is right and this CPU makes of it what its packer's did. */
#ifndef CHECK_H
#define CHECK_H

enum check {
    CHECK_RIGHT,
    CHECK_WRONG,      /* said on standard error */
    CHECK_IMPOSSIBLE, /* said; it tells nothing about the file */
};

enum check check_model(int directory, const char *name);

#endif
