/* Who belongs to a name: the instances of a service, or the listeners of a subject. For the floor only. */
#ifndef BENCH_GROUPS_H
#define BENCH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BUCKETS 1024
#define NAME_BYTES_MAX 256

struct connection;

/* A service with its instances, or a subject with its listeners. */
struct group {
    char name[NAME_BYTES_MAX];
    size_t name_bytes, count, capacity, turn;
    struct connection **members;
    struct group *next;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *grow(void *old, size_t bytes) {
    void *fresh = realloc(old, bytes);
    if (!fresh) fail("memory");
    return fresh;
}

static struct group *find_group(struct group **table, const char *name, size_t bytes, bool make) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    struct group **place = &table[hash % GROUP_BUCKETS];
    for (; *place; place = &(*place)->next)
        if ((*place)->name_bytes == bytes && !memcmp((*place)->name, name, bytes)) return *place;
    if (!make || bytes > NAME_BYTES_MAX) return NULL;
    struct group *group = calloc(1, sizeof *group);
    if (!group) fail("memory");
    memcpy(group->name, name, bytes);
    group->name_bytes = bytes;
    return *place = group;
}

static void add_member(struct group *group, struct connection *member) {
    if (!group) return;
    if (group->count == group->capacity) {
        group->capacity = group->capacity ? group->capacity * 2 : 4;
        group->members = grow(group->members, group->capacity * sizeof *group->members);
    }
    group->members[group->count++] = member;
}

static void remove_member(struct group **table, const struct connection *member) {
    for (int i = 0; i < GROUP_BUCKETS; i++)
        for (struct group *group = table[i]; group; group = group->next) {
            size_t kept = 0;
            for (size_t k = 0; k < group->count; k++)
                if (group->members[k] != member) group->members[kept++] = group->members[k];
            group->count = kept;
        }
}

#endif
