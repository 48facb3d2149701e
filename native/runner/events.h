/* The events file: one JSON object a line, each written with one write(2) to a descriptor opened for appending. */
#ifndef FARM_EVENTS_H
#define FARM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line being put together. What does not fit is dropped whole, so that a line always stays valid JSON. */
struct line {
    char text[8192];
    size_t length;
    bool first;
};

void
line_open(struct line *line, const char *event);
void
line_text(struct line *line, const char *key, const char *value);
void
line_uint(struct line *line, const char *key, uint64_t value);
void
line_int(struct line *line, const char *key, int64_t value);
void
line_bool(struct line *line, const char *key, bool value);
/* Lists of texts: open, items with a NULL key through line_text, close. */
void
line_list_open(struct line *line, const char *key);
void
line_list_close(struct line *line);
/* Ends the line and writes it. Returns false with errno set where the file took only part of it. */
bool
line_write(struct line *line, int fd);

#endif
