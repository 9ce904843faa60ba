using Barkeep.Common;

namespace Barkeep.Verification;

/// <summary>One thing that is hurt, and whom that hurts.</summary>
/// <param name="What">What it is, in the repository's words: <c>pack 20261123T131251/0001, frame 5</c>.</param>
/// <param name="How">What is wrong with it, in a line for people.</param>
/// <param name="Kind">Damaged, ObjectMissing, WalGap or Storage.</param>
/// <param name="Backups">All backups that it touches, whichever was verified, in their order.</param>
/// <param name="Files">Files of the data directory with a page in it: at most <see cref="NamedFiles"/>, in order of their names.</param>
/// <param name="FileCount">How many files there are of that kind.</param>
public sealed record Damage(string What, string How, ErrorKind Kind, IReadOnlyList<BackupId> Backups, IReadOnlyList<string> Files, int FileCount)
{
    /// <summary>How many files are named at most: a lost pack may hold pages of a hundred thousand, and a damaged repository has many of it.</summary>
    public const int NamedFiles = 1 << 16;
}
