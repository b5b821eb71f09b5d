"""Functions that a decoding process is asked to run: they must be known by name there."""

import ctypes
import logging
import os
import signal
import time


def upper(content, more=b""):
    return content.upper() + more


def process_id(content):
    return os.getpid()


def slow_process_id(content):
    time.sleep(0.3)
    return os.getpid()


def fail(content, error):
    raise error


def hang(content):
    """Hang as C code does: Python's lock is held, and no handler of Python's runs when a signal comes."""
    mutex, libc = ctypes.create_string_buffer(64), ctypes.PyDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def crash(content):
    os.kill(os.getpid(), signal.SIGSEGV)


def log(content):
    logging.getLogger("PIL").error(content.decode())
