using Barkeep.Common;

namespace Barkeep.Receiving;

/// <summary>What stands beside segments in the spool, by the ends of its names.</summary>
static class SpoolNames
{
    /// <summary>A segment that is being received again: see <see cref="TailFile"/>. Removed at the next start.</summary>
    public const string Fresh = ".fresh";

    /// <summary>An empty file: flushing the segment failed, and it must be received again although it can be read.</summary>
    public const string Suspect = ".suspect";

    /// <summary>A complete segment in which a record's CRC or a page is wrong, set aside.</summary>
    public const string Damaged = ".damaged";

    /// <summary>The end of a timeline's WAL that differs from one stored before, set aside.</summary>
    public const string Diverged = ".diverged";

    /// <summary>An empty file: the repository has that segment complete, and the server wrote another of that name. Until it shows the same, what it has after it does not follow.</summary>
    public const string Foreign = ".foreign";

    /// <summary>As durable as a failing disk lets it be.</summary>
    public static void MarkSuspect(string segmentPath) => Mark(segmentPath, Suspect);

    /// <inheritdoc cref="MarkSuspect"/>
    public static void Mark(string segmentPath, string suffix)
    {
        try
        {
            File.WriteAllBytes(segmentPath + suffix, []);
            Durable.FlushDirectory(Path.GetDirectoryName(segmentPath)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"marking {segmentPath}");
        }
    }

    /// <summary>Sets a file aside under a name that nothing else has.</summary>
    /// <returns>The new path.</returns>
    public static string SetAside(string path, string suffix)
    {
        for (var number = 1; ; number++)
        {
            var aside = number == 1 ? path + suffix : $"{path}{suffix}-{number}";
            if (!File.Exists(aside) && Durable.Publish(path, aside))
            {
                return aside;
            }
        }
    }
}
