// Whether tests that need root and a real kernel run. CI never skips them: a firewall that was not tried on a kernel was not tested.
export const canUseKernel = process.getuid?.() === 0 || process.env['CI'] === 'true';
