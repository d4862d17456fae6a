"""Files that leave the house for a period: tables, a workbook and text ledgers."""
