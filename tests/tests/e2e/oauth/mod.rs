mod callback;
