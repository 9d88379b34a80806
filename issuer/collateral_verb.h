/* The verb `collateral`: fetches, brings in, takes along and shows vendor collateral without a
 * server; for sites without a network, and for whoever wants to know what ends when. */
#pragma once

/* argv[0] is the verb. Exit: 0 done, 1 wrong options or a local error, 2 a service did not give
 * something, 5 nothing is there, 8 something was refused. */
int iss_collateral_verb(int argc, char **argv);
