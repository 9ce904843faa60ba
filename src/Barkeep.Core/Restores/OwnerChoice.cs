using System.Globalization;
using Barkeep.Common;

namespace Barkeep.Restores;

/// <summary>
/// Whose the restored files are. Without privileges: those of the user that restores. As root: what was asked for, else the
/// target directory's owner, unless that is root too, else the user <c>postgres</c> if this machine has one.
/// </summary>
static class OwnerChoice
{
    const string PostgresUser = "postgres";

    /// <exception cref="BarkeepException">Usage: no such user or group, or an owner asked for without the privilege to give files away.</exception>
    public static Ownership Choose(string? wanted, string target, bool groupAccess, List<string> warnings)
    {
        if (wanted is not null)
        {
            return Environment.IsPrivilegedProcess
                ? Parse(wanted, groupAccess)
                : throw new BarkeepException(ErrorKind.Usage, $"only root can give the restored files to '{wanted}'", "leave the owner out, or restore as root");
        }
        if (!Environment.IsPrivilegedProcess)
        {
            return new(null, null, groupAccess);
        }
        if (Directory.Exists(target) && RestoreTarget.OwnerOf(target) is { Uid: not 0 } owner)
        {
            return new((int)owner.Uid, (int)owner.Gid, groupAccess);
        }
        if (Entry("/etc/passwd", PostgresUser) is [_, _, var uid, var gid, ..])
        {
            return new(Number(uid), Number(gid), groupAccess);
        }
        warnings.Add("the restored files belong to root, and PostgreSQL does not run as root: give them to the user that it runs as");
        return new(null, null, groupAccess);
    }

    static Ownership Parse(string wanted, bool groupAccess)
    {
        var parts = wanted.Split(':', 2);
        int? gid = null;
        if (Number(parts[0]) is not { } uid)
        {
            var entry = Entry("/etc/passwd", parts[0]);
            (uid, gid) = entry is [_, _, var user, var group, ..]
                ? (Number(user) ?? throw Unknown("user", parts[0]), Number(group))
                : throw Unknown("user", parts[0]);
        }
        if (parts.Length == 2)
        {
            gid = Number(parts[1]) ?? (Entry("/etc/group", parts[1]) is [_, _, var group, ..] ? Number(group) : null) ?? throw Unknown("group", parts[1]);
        }
        return new(uid, gid ?? uid, groupAccess);
    }

    static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    static string[]? Entry(string file, string name) =>
        File.Exists(file) ? File.ReadLines(file).Select(static line => line.Split(':')).FirstOrDefault(fields => fields[0] == name) : null;

    static BarkeepException Unknown(string what, string name) => new(ErrorKind.Usage, $"this machine has no {what} '{name}'", "numbers are taken as they are");
}
