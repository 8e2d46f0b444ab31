/* What goes wrong, and when: one fault per simulated second and more, chosen by the seed. */
#ifndef VXC_TESTS_SIM_FAULTS_H
#define VXC_TESTS_SIM_FAULTS_H

#include "sim.h"

void faults_begin(struct world *world);
/* All is well from now on: nodes up, disks empty, clocks right. */
void faults_heal(struct world *world);

#endif
