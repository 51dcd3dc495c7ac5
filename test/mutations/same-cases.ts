// Every run tries the same random cases, so that a mutation that was caught is caught again; and the first that fails will do.
import * as fc from 'fast-check';

fc.configureGlobal({ seed: 7, endOnFailure: true });
