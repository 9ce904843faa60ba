namespace Barkeep.Backups;

/// <summary>Bytes of one file that are read in one go.</summary>
/// <param name="Offset">A multiple of the page size.</param>
/// <param name="End">Exclusive.</param>
readonly record struct ReadPiece(BackupFile File, long Offset, long End);
