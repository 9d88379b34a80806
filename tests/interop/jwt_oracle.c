/* Verifies one token with libjwt, which knows nothing of our code. Used as an oracle for what we
 * mint, and nowhere else: libjwt 1.10 takes the algorithm from the token, so the caller compares it
 * afterwards. usage: jwt_oracle ALG PEM-FILE < token; prints the claims; exit 0 only if it verifies
 * under ALG. */
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 65536, PEM_MAX = 16384 };

static size_t slurp(FILE *f, char *to, size_t max)
{
    size_t n = fread(to, 1, max - 1, f);
    to[n] = 0;
    return n;
}

static const struct {
    const char *name;
    jwt_alg_t alg;
} algs[] = { { "ES256", JWT_ALG_ES256 },
             { "ES384", JWT_ALG_ES384 },
             { "ES512", JWT_ALG_ES512 },
             { "RS256", JWT_ALG_RS256 } };

int main(int argc, char **argv)
{
    static char token[TOKEN_MAX], pem[PEM_MAX];
    FILE *f = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!f)
        return 2;
    size_t pem_n = slurp(f, pem, sizeof pem);
    (void)fclose(f);
    (void)slurp(stdin, token, sizeof token);
    jwt_t *jwt = NULL;
    if (jwt_decode(&jwt, token, (const unsigned char *)pem, (int)pem_n) != 0)
        return 1;
    int rc = 1;
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
        if (strcmp(argv[1], algs[i].name) == 0 && jwt_get_alg(jwt) == algs[i].alg)
            rc = 0;
    char *claims = jwt_get_grants_json(jwt, NULL);
    if (claims)
        (void)puts(claims);
    free(claims);
    jwt_free(jwt);
    return rc;
}
