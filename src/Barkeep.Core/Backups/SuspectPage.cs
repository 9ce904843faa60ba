namespace Barkeep.Backups;

/// <summary>A page whose checksum was wrong when it was read.</summary>
/// <param name="Number">In its file.</param>
/// <param name="Slot">Its place in the reader's buffer, in pages.</param>
readonly record struct SuspectPage(BackupFile File, int Number, int Slot)
{
    /// <summary>Its number in the relation fork.</summary>
    public uint Block => (uint)(File.FirstBlock + Number);
}
