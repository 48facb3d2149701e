#include "events.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room that stays free for the brackets and the newline that end a line. */
enum { RESERVE = 8, LONGEST_TEXT = 2048 };

static void
put(struct line *line, const char *format, ...)
{
    size_t room = sizeof(line->text) - RESERVE - line->length;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line->text + line->length, room, format, values);
    va_end(values);
    if (length > 0 && (size_t)length < room)
        line->length += (size_t)length;
}

/* Length of the valid UTF-8 sequence that starts here; 0: not one. */
static size_t
utf8_length(const unsigned char *text)
{
    size_t length = text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc2 ? 2 : 0;
    if (text[0] >= 0xf5 || length == 0)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool past_end = text[0] == 0xf4 && text[1] >= 0x90;
    return surrogate || overlong || past_end ? 0 : length;
}

/* Copies a text into `out` as the inside of a JSON string; bytes that are no UTF-8 become question marks. */
static void
escape(const char *value, char *out, size_t room)
{
    const unsigned char *in = (const unsigned char *)value;
    size_t used = 0;
    while (*in && used + 8 < room) {
        size_t sequence = utf8_length(in);
        if (sequence) {
            memcpy(out + used, in, sequence);
            used += sequence;
            in += sequence;
            continue;
        }
        if (*in == '"' || *in == '\\')
            used += (size_t)sprintf(out + used, "\\%c", *in);
        else if (*in < 0x20)
            used += (size_t)sprintf(out + used, "\\u%04x", *in);
        else
            out[used++] = *in < 0x80 ? (char)*in : '?';
        in++;
    }
    out[used] = '\0';
}

static void
put_key(struct line *line, const char *key)
{
    if (!line->first)
        put(line, ",");
    line->first = false;
    if (key)
        put(line, "\"%s\":", key);
}

void
line_open(struct line *line, const char *event)
{
    line->length = 0;
    line->first = true;
    put(line, "{");
    if (event)
        line_text(line, "event", event);
}

void
line_text(struct line *line, const char *key, const char *value)
{
    char escaped[LONGEST_TEXT];
    escape(value, escaped, sizeof(escaped));
    put_key(line, key);
    put(line, "\"%s\"", escaped);
}

void
line_uint(struct line *line, const char *key, uint64_t value)
{
    put_key(line, key);
    put(line, "%" PRIu64, value);
}

void
line_int(struct line *line, const char *key, int64_t value)
{
    put_key(line, key);
    put(line, "%" PRId64, value);
}

void
line_bool(struct line *line, const char *key, bool value)
{
    put_key(line, key);
    put(line, value ? "true" : "false");
}

void
line_list_open(struct line *line, const char *key)
{
    put_key(line, key);
    put(line, "[");
    line->first = true;
}

void
line_list_close(struct line *line)
{
    put(line, "]");
    line->first = false;
}

bool
line_write(struct line *line, int fd)
{
    memcpy(line->text + line->length, "}\n", 2);
    size_t length = line->length + 2;
    return write(fd, line->text, length) == (ssize_t)length;
}
