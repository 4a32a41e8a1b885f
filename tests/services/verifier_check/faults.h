// Every fault that a check must find, one check each.
#ifndef TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTS_H_
#define TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTS_H_

#include <vector>

#include "tests/services/verifier_check/faulty_verifier.h"

namespace tpo {

std::vector<Fault> AllFaults();

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTS_H_
