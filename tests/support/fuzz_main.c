/* Runs a fuzz target once over every file of the folders and files named: the corpus as a plain
 * test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    static uint8_t buf[4u << 20];
    size_t n = fread(buf, 1, sizeof buf, f);
    (void)fclose(f);
    (void)LLVMFuzzerTestOneInput(buf, n);
    return 1;
}

int main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) {
            ran += run_file(argv[i]);
            continue;
        }
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            char path[4096];
            struct stat st;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                ran += run_file(path);
        }
        (void)closedir(d);
    }
    printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
