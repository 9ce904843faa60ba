using System.Text;

namespace Barkeep.Restores;

/// <summary>
/// A file that says that a restore into the directory has begun and has not ended. With global/pg_control, which is written last,
/// missing as well, PostgreSQL does not start on such a directory.
/// </summary>
static class RestoreMarker
{
    public const string FileName = "barkeep.unfinished-restore";

    public static byte[] Content(string backup) => Encoding.UTF8.GetBytes($"""
        A restore of backup {backup} into this directory has begun and has not ended.
        If it is not running any more: empty this directory and restore again.

        """);
}
