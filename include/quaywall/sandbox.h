/*
 * sandbox: what the process gives up, for good, once it has opened what it needs.
 *
 * Four parts, each of which holds by itself: all capabilities but CAP_NET_ADMIN; no_new_privs, so that
 * nothing that is executed could win any back; no file but those below a few folders can be written,
 * made, removed or executed (Landlock); no system call but those that a firewall daemon makes (seccomp).
 * A part that this kernel or build does not have is reported and does not keep the others away: the
 * rules matter more. All four are properties of a thread that its children inherit, so this is called
 * while the process has one thread.
 *
 * A feature that needs more adds a name to the table in its part's file, with the reason.
 */
#pragma once

enum sandbox_part {
	SANDBOX_CAPABILITIES,
	SANDBOX_NO_NEW_PRIVS,
	SANDBOX_FILES,
	SANDBOX_SYSCALLS,
	SANDBOX_PARTS,
};

struct sandbox {
	char *missing
		[SANDBOX_PARTS]; /* why a part is not in force, or not all of it; NULL: it is */
};

/* WRITABLE: the folders below which files may be written; APPENDED: those below which they may be made and written, but
 * nothing renamed or removed. Both end with NULL; a folder that is not there stays forbidden. RET (empty before) is to
 * be done. */
void sandbox_enter_for_good(const char *const *writable, const char *const *appended,
			    struct sandbox *ret);
void sandbox_done(struct sandbox *s);

/* "capabilities", "no_new_privs", "files", "syscalls" */
const char *sandbox_part_name(enum sandbox_part part);
