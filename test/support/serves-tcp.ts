// Whether namewall is asked over TCP, too, by the tests that compare it with others and that run clients of others.
export const NAMEWALL_SERVES_TCP: boolean = false;
